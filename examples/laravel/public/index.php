<?php

use Illuminate\Contracts\Http\Kernel;
use Illuminate\Http\Request;

// Debian's packages load themselves; with Composer: require __DIR__ . '/../vendor/autoload.php';
require 'Illuminate/autoload.php';

$kernel = (require __DIR__ . '/../bootstrap/app.php')->make(Kernel::class);
$request = Request::capture();
$response = $kernel->handle($request);
$response->send();
$kernel->terminate($request, $response);
