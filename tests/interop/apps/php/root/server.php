<?php
header('Content-Type: application/json');
echo json_encode($_SERVER, JSON_UNESCAPED_SLASHES);
