#!/usr/bin/perl
# The interop application as a plain CGI program, which fcgiwrap runs once for each request. It
# answers the paths that every interop application answers (see ../../README.md).
use strict;
use warnings;

use Digest::SHA;

$| = 1;
binmode STDIN;
binmode STDOUT;

my $path = ( $ENV{SCRIPT_NAME} // "" ) . ( $ENV{PATH_INFO} // "" );
my $query = $ENV{QUERY_STRING} // "";

sub head { print "Content-Type: $_[0]\r\n\r\n" }

sub wait_for_gate
{
   my ( $gate ) = $query =~ m/gate=([^&]*)/;
   for ( my $limit = time + 30; time < $limit and not -e $gate; ) {
      select undef, undef, undef, 0.005;
   }
}

if ( $path =~ m{/hello$} ) {
   head( "text/plain" );
   print "hello\n";
}
elsif ( $path =~ m{/echo$} ) {
   my $sum = Digest::SHA->new( 256 );
   my $length = 0;
   while ( my $count = sysread STDIN, my $piece, 65536 ) {
      $sum->add( $piece );
      $length += $count;
   }
   head( "text/plain" );
   print "method=$ENV{REQUEST_METHOD}\n", "length=$length\n", "sha256=", $sum->hexdigest, "\n",
      "content_length=", $ENV{CONTENT_LENGTH} // "", "\n", "query=$query\n",
      "x_test=", $ENV{HTTP_X_TEST} // "", "\n";
}
elsif ( $path =~ m{/bytes$} ) {
   # n bytes, the one at i being i modulo 251.
   my ( $left ) = $query =~ m/n=(\d+)/;
   my $block = join( "", map chr, 0 .. 250 ) x 128;
   print "Content-Length: $left\r\n";
   head( "application/octet-stream" );
   while ( $left > 0 ) {
      my $piece = substr $block, 0, $left;
      print $piece or last;
      $left -= length $piece;
   }
}
elsif ( $path =~ m{/wait$} ) {
   wait_for_gate();
   head( "text/plain" );
   print "waited\n";
}
elsif ( $path =~ m{/stream$} ) {
   head( "text/event-stream" );
   print "first\n";
   wait_for_gate();
   print "second\n";
}
elsif ( $path =~ m{/header-length$} ) {
   # All fields whose names begin with X-Long.
   head( "text/plain" );
   print length( join "", map $ENV{$_}, grep m/^HTTP_X_LONG/, keys %ENV ), "\n";
}
else {
   print "Status: 404\r\n";
   head( "text/plain" );
   print "no such path\n";
}
