<?php
// A form: what was posted becomes a page with an address of its own.
header('Location: /hello/' . rawurlencode($_POST['name'] ?? 'nobody'), true, 303);
