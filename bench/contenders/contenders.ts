/** Every contender, in the order of the tables: what others are compared with comes first. */
import { afcgi, afcgiOnDeno } from "./afcgi.ts";
import { apache } from "./apache.ts";
import { caddy } from "./caddy.ts";
import type { Contender } from "./contender.ts";
import { floor } from "./floor.ts";
import { haproxy } from "./haproxy.ts";
import { lighttpd } from "./lighttpd.ts";
import { nginx } from "./nginx.ts";

export const CONTENDERS: readonly Contender[] = [
  nginx,
  haproxy,
  caddy,
  apache,
  lighttpd,
  floor,
  afcgi,
  afcgiOnDeno,
];
