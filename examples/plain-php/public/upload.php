<?php
// The name is the client's. A script may be among the uploads: afcgi.yaml sees to it that none runs.
$picture = $_FILES['picture'] ?? ['error' => UPLOAD_ERR_NO_FILE];
if ($picture['error'] !== UPLOAD_ERR_OK) {
    http_response_code(400);
    exit("No picture came\n");
}
$name = basename($picture['name']);
if (!move_uploaded_file($picture['tmp_name'], __DIR__ . "/uploads/$name")) {
    http_response_code(500);
    exit("The picture could not be kept\n");
}
header('Location: /uploads/' . rawurlencode($name), true, 303);
