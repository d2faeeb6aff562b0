use strict;
use warnings;

sub {
    my $env  = shift;
    my $body = "Hello from Plack at $env->{PATH_INFO}\n";
    return [ 200, [ 'Content-Type' => 'text/plain', 'Content-Length' => length $body ], [$body] ];
};
