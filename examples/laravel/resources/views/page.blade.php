<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{{ $title }}</title>
<link rel="stylesheet" href="/style.css">
<h1>{{ $title }}</h1>
<form method="post" action="/hello">
  <label>Your name <input name="name" required></label>
  <button>Say hello</button>
</form>
<form method="post" action="/upload" enctype="multipart/form-data">
  <label>A picture <input name="picture" type="file" accept="image/*" required></label>
  <button>Upload</button>
</form>
</html>
