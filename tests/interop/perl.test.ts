/** Perl's Net::Async::FastCGI behind afcgi. It multiplexes. */
import { placeName } from "../support/places.ts";
import { type Application, presetApp, sourcePath, startPeer } from "./application.ts";
import { commonTests } from "./common.ts";
import { multiplexingTests } from "./multiplexing.ts";

const perl: Application = {
  ...presetApp,
  name: "Perl Net::Async::FastCGI",
  peer: "perl",
  supports: {
    values: { FCGI_MAX_CONNS: "1024", FCGI_MAX_REQS: "1024", FCGI_MPXS_CONNS: "1" },
    multiplexes: true,
    keepsConnection: true,
  },
  prepare: () => Promise.resolve(),
  start: (_directory, place) =>
    startPeer("perl", [sourcePath("perl/app.pl"), place.network, placeName(place)]),
};

multiplexingTests(perl, commonTests(perl));
