<?php
error_log('first line of the script');
error_log('second line of the script');
header('Content-Type: text/plain');
echo "logged\n";
