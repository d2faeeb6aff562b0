<?php

// PHP's own log is the request's STDERR: afcgi logs it with the request's id.
return [
    'default' => 'errorlog',
    'channels' => ['errorlog' => ['driver' => 'errorlog']],
];
