# The interop application on Perl's Net::Async::FastCGI, which multiplexes. It answers the paths that
# every interop application answers (see ../../README.md), and reports what it saw of connections.
use strict;
use warnings;

use Digest::SHA qw( sha256_hex );
use IO::Async::Loop;
use IO::Async::Timer::Periodic;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Net::Async::FastCGI;

my $WAIT_LIMIT_S = 30;
my %seen = ( connections => 0, asked => 0, in_flight => 0, in_flight_max => 0 );

{
   no warnings 'redefine';
   my $get_values = \&Net::Async::FastCGI::ServerProtocol::_get_values;
   *Net::Async::FastCGI::ServerProtocol::_get_values = sub {
      $seen{asked}++;
      $get_values->( @_ );
   };
}

my $loop = IO::Async::Loop->new;

sub answer
{
   my ( $request, $text, $type ) = @_;
   $request->print_stdout(
      "Content-Type: " . ( $type // "text/plain" ) . "\r\n\r\n" . $text );
   done( $request );
}

sub done
{
   my ( $request ) = @_;
   $seen{in_flight}--;
   $request->finish unless $request->is_aborted;
}

# One timer for all that wait: hundreds of them would leave no time for anything else.
my @waiting;

sub when_gate_opens
{
   my ( $request, $then ) = @_;
   my ( $path ) = $request->query_string =~ m/gate=([^&]*)/;
   push @waiting, { path => $path, limit => time + $WAIT_LIMIT_S, then => $then };
}

sub look_at_gates
{
   my %is_open;
   my @still_waiting;
   my @over;
   foreach my $wait ( @waiting ) {
      my $is_over = ( $is_open{ $wait->{path} } //= -e $wait->{path} ? 1 : 0 )
         || time > $wait->{limit};
      push @{ $is_over ? \@over : \@still_waiting }, $wait;
   }
   @waiting = @still_waiting;
   $_->{then}->() foreach @over;
}

my %paths = (
   "/hello" => sub { answer( $_[0], "hello\n" ) },

   "/echo" => sub {
      my ( $request ) = @_;
      my $body = $request->read_stdin // "";
      answer( $request, join "", map { "$_->[0]=$_->[1]\n" }
         [ method         => $request->method ],
         [ length         => length $body ],
         [ sha256         => sha256_hex( $body ) ],
         [ content_length => $request->param( "CONTENT_LENGTH" ) // "" ],
         [ query          => $request->query_string ],
         [ x_test         => $request->param( "HTTP_X_TEST" ) // "" ] );
   },

   # n bytes, the one at i being i modulo 251.
   "/bytes" => sub {
      my ( $request ) = @_;
      my ( $left ) = $request->query_string =~ m/n=(\d+)/;
      my $block = join( "", map chr, 0 .. 250 ) x 128;
      $request->print_stdout(
         "Content-Type: application/octet-stream\r\nContent-Length: $left\r\n\r\n" );
      $request->stream_stdout_then_finish( sub {
         if( $left == 0 ) { $seen{in_flight}--; return undef }
         my $piece = substr( $block, 0, $left );
         $left -= length $piece;
         return $piece;
      } );
   },

   "/wait" => sub {
      my ( $request ) = @_;
      when_gate_opens( $request, sub { answer( $request, "waited\n" ) } );
   },

   "/stream" => sub {
      my ( $request ) = @_;
      $request->print_stdout( "Content-Type: text/event-stream\r\n\r\nfirst\n" );
      when_gate_opens( $request, sub {
         $request->print_stdout( "second\n" ) unless $request->is_aborted;
         done( $request );
      } );
   },

   # All fields whose names begin with X-Long.
   "/header-length" => sub {
      my ( $request ) = @_;
      my $params = $request->params;
      my $values = join "", map $params->{$_}, grep m/^HTTP_X_LONG/, keys %$params;
      answer( $request, length( $values ) . "\n" );
   },

   "/report" => sub {
      my ( $request ) = @_;
      # This request itself is not counted.
      my %report = ( %seen, in_flight => $seen{in_flight} - 1 );
      answer( $request, join "", map { "$_=$report{$_}\n" } sort keys %report );
   },
);

sub on_request
{
   my ( $fastcgi, $request ) = @_;
   $request->set_encoding( undef );
   $seen{connections}++ unless $request->{conn}{interop_seen}++;
   my $path = $request->path;
   $seen{in_flight}++;
   $seen{in_flight_max} = $seen{in_flight}
      if $seen{in_flight} > $seen{in_flight_max} and $path ne "/report";
   my $action = $paths{$path};
   return $action->( $request ) if $action;
   $request->print_stdout( "Status: 404\r\nContent-Type: text/plain\r\n\r\nno such path\n" );
   done( $request );
}

my ( $network, $address ) = @ARGV;
my $socket =
   $network eq "unix"
   ? IO::Socket::UNIX->new( Local => $address, Listen => 1024 )
   : IO::Socket::INET->new( LocalAddr => $address, Listen => 1024, ReuseAddr => 1 );
die "Cannot listen on $address: $!\n" unless $socket;

my $timer = IO::Async::Timer::Periodic->new( interval => 0.005, on_tick => \&look_at_gates );
$timer->start;
$loop->add( $timer );
$loop->add( Net::Async::FastCGI->new( handle => $socket, on_request => \&on_request ) );
$loop->run;
