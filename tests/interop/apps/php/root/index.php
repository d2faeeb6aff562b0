<?php
// The interop application on php-fpm, as a front controller. It answers the paths that every interop
// application answers (see ../../../README.md); what only PHP does is in scripts beside this one.

const WAIT_LIMIT_S = 30;
const WAIT_STEP_US = 5000;

function hello(): void
{
    echo "hello\n";
}

function echoRequest(): void
{
    $body = fopen('php://input', 'rb');
    $sum = hash_init('sha256');
    $length = hash_update_stream($sum, $body);
    printf("method=%s\nlength=%d\nsha256=%s\n", $_SERVER['REQUEST_METHOD'], $length, hash_final($sum));
    printf(
        "content_length=%s\nquery=%s\nx_test=%s\n",
        $_SERVER['CONTENT_LENGTH'] ?? '',
        $_SERVER['QUERY_STRING'],
        $_SERVER['HTTP_X_TEST'] ?? '',
    );
}

/** Appends the body as a line to a file before it answers: what was done can be counted. */
function journal(): void
{
    $line = file_get_contents('php://input') . "\n";
    if (file_put_contents($_GET['file'], $line, FILE_APPEND) !== strlen($line)) {
        http_response_code(500);
        return;
    }
    usleep(WAIT_STEP_US);
    echo "kept $line";
}

/** n bytes, the one at i being i modulo 251. */
function bytes(): void
{
    $left = (int) $_GET['n'];
    header('Content-Type: application/octet-stream');
    header("Content-Length: $left");
    $block = str_repeat(implode(array_map('chr', range(0, 250))), 128);
    while ($left > 0) {
        $piece = substr($block, 0, $left);
        echo $piece;
        $left -= strlen($piece);
    }
}

function waitForGate(): void
{
    for ($limit = time() + WAIT_LIMIT_S; time() < $limit && !file_exists($_GET['gate']);) {
        usleep(WAIT_STEP_US);
        clearstatcache();
    }
}

function wait(): void
{
    waitForGate();
    echo "waited\n";
}

function stream(): void
{
    header('Content-Type: text/event-stream');
    echo "first\n";
    flush();
    waitForGate();
    echo "second\n";
}

/** All fields whose names begin with X-Long. */
function headerLength(): void
{
    $isLong = fn(string $name): bool => str_starts_with($name, 'HTTP_X_LONG');
    echo strlen(implode(array_filter($_SERVER, $isLong, ARRAY_FILTER_USE_KEY))), "\n";
}

function noSuchPath(): void
{
    http_response_code(404);
    echo "no such path\n";
}

header('Content-Type: text/plain');
match (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    '/hello' => hello(),
    '/echo' => echoRequest(),
    '/journal' => journal(),
    '/bytes' => bytes(),
    '/wait' => wait(),
    '/stream' => stream(),
    '/header-length' => headerLength(),
    default => noSuchPath(),
};
