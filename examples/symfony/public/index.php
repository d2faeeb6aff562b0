<?php

use App\Kernel;
use Symfony\Component\HttpFoundation\Request;

// Debian's packages load themselves; with Composer: require __DIR__ . '/../vendor/autoload.php';
require 'Symfony/Bundle/FrameworkBundle/autoload.php';
require 'Symfony/Component/Mime/autoload.php';
require __DIR__ . '/../src/Kernel.php';

$kernel = new Kernel($_SERVER['APP_ENV'] ?? 'prod', (bool) ($_SERVER['APP_DEBUG'] ?? false));
$request = Request::createFromGlobals();
$response = $kernel->handle($request);
$response->send();
$kernel->terminate($request, $response);
