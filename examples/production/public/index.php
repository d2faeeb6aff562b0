<?php
// Every path that is no file comes here: /Ada greets Ada.
$path = rawurldecode(strtok($_SERVER['REQUEST_URI'], '?'));
$name = $_POST['name'] ?? trim($path, '/') ?: 'world';
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Hello</title>
<link rel="stylesheet" href="/style.css">
<h1>Hello, <?= htmlspecialchars($name) ?></h1>
<form method="post" action="/">
  <label>Your name <input name="name" required></label>
  <button>Say hello</button>
</form>
</html>
