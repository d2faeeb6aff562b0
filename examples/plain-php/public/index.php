<?php
// The front controller: every path that is no file and no script comes here.
$path = rawurldecode(strtok($_SERVER['REQUEST_URI'], '?'));
if ($path === '/') {
    $title = 'Plain PHP';
} elseif (preg_match('~^/hello/([^/]+)$~', $path, $match)) {
    $title = "Hello, $match[1]";
} else {
    http_response_code(404);
    $title = 'No such page';
}
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title><?= htmlspecialchars($title) ?></title>
<link rel="stylesheet" href="/style.css">
<h1><?= htmlspecialchars($title) ?></h1>
<form method="post" action="/hello.php">
  <label>Your name <input name="name" required></label>
  <button>Say hello</button>
</form>
<form method="post" action="/upload.php" enctype="multipart/form-data">
  <label>A picture <input name="picture" type="file" accept="image/*" required></label>
  <button>Upload</button>
</form>
</html>
