/**
 * Which real applications this machine has. `peers.json` names them; the test run installs what it
 * may before the tests start, and a test whose peer is still missing is skipped by name.
 */
import { spawnSync } from "node:child_process";
import peers from "./peers.json" with { type: "json" };

export type PeerName = keyof typeof peers;

/** The machine's programs, with those that Debian keeps for administrators. */
export const PEER_PATH = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;

/** Why tests with the peer cannot run here; false when they can. */
export function missingPeer(name: PeerName): string | false {
  const { check, packages } = peers[name];
  const { status } = spawnSync("sh", ["-c", check], {
    env: { ...process.env, PATH: PEER_PATH },
    stdio: "ignore",
  });
  return status === 0 ? false : `not installed: ${packages.join(" ")}`;
}
