/** What a service manager hears: a socket of the test's own, each datagram a line of its output. */
import { Child } from "./child.ts";

/** Prints each datagram on a line. */
const LISTEN = `
use Socket; $| = 1;
my $name = $ARGV[0]; $name =~ s/^@/\\0/;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
bind($s, pack_sockaddr_un($name)) or die $!;
print "bound\\n";
while (defined recv($s, my $text, 4096, 0)) { $text =~ s/\\n/ /g; print "$text\\n"; }
`;

/** @param name a path, or an abstract name behind "@" */
export async function startServiceManager(name: string): Promise<Child> {
  const child = new Child("perl", ["-e", LISTEN, name], {});
  await child.stdout.waitFor((line) => line === "bound");
  return child;
}
