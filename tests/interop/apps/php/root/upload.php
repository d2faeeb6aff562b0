<?php
// A form's file, as PHP itself takes it apart.
$file = $_FILES['file'];
header('Content-Type: text/plain');
printf("error=%d\nlength=%d\nsha256=%s\n", $file['error'], $file['size'],
    hash_file('sha256', $file['tmp_name']));
