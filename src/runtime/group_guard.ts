/**
 * Ends what we have started when we are gone without having ended it: killed by SIGKILL, or for want of
 * memory. A shell that is nobody's child reads from a pipe which process groups there are; when the
 * pipe's other end closes, it ends those that are left. PR_SET_PDEATHSIG would want code of ours between
 * fork and exec, which no runtime has room for, would reach one process of each group and be forgotten
 * at a change of user.
 *
 * As process 1 there is no need: the kernel ends all others with us.
 */
import process from "node:process";
import { childProcessModule } from "./lazy_modules.ts";
import { type LibC, openPipe, writeTo } from "./libc.ts";

const SHELL = "/bin/sh";

/** From SIGTERM, which ends php-fpm and its children without waiting for requests, to SIGKILL. */
const TICKS = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20";

/** busybox wants no "--" before a group, dash nothing else; one of the two does nothing. */
const SCRIPT = `exec 3<&0
{
  trap '' HUP INT QUIT TERM
  groups=
  tell() { kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "-$2" 2>/dev/null; }
  while read -r word group; do
    case $word in
      +) groups="$groups $group" ;;
      -) left=
         for one in $groups; do [ "$one" = "$group" ] || left="$left $one"; done
         groups=$left ;;
    esac
  done
  for one in $groups; do tell TERM "$one"; done
  for tick in ${TICKS}; do
    alive=
    for one in $groups; do tell 0 "$one" && alive=1; done
    [ -z "$alive" ] && exit
    sleep 0.1
  done
  for one in $groups; do tell KILL "$one"; done
} <&3 3<&- >/dev/null 2>&1 &`;

/** The guard of one process's children; started with the first of them. */
export class GroupGuard {
  readonly #groups = new Set<number>();
  readonly #libc: LibC;
  /** The end of the pipe that we write to. */
  #pipe: number | undefined;
  #isMissing = process.pid === 1;
  #isBeginning = false;

  constructor(libc: LibC) {
    this.#libc = libc;
  }

  /** Resolves when the guard is there; before the first group is. */
  prepare(): Promise<void> {
    return this.#pipe === undefined ? this.#begin() : Promise.resolve();
  }

  add(group: number): void {
    this.#groups.add(group);
    this.#tell(`+ ${group}\n`);
  }

  remove(group: number): void {
    if (this.#groups.delete(group)) this.#tell(`- ${group}\n`);
  }

  /** The shell that we start ends at once: the one that stays is nobody's child. */
  #begin(): Promise<void> {
    const pipe = this.#isMissing ? undefined : openPipe(this.#libc);
    if (pipe === undefined) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const shell = childProcessModule().spawn(SHELL, ["-c", SCRIPT], {
      cwd: "/",
      env: { PATH: "/usr/bin:/bin" },
      detached: true,
      stdio: [pipe.read, "ignore", "ignore"],
    });
    // Without a shell there is no guard.
    shell.on("error", () => {
      this.#isMissing = true;
      resolve();
    });
    shell.on("exit", () => resolve());
    this.#libc.close(pipe.read);
    this.#pipe = pipe.write;
    for (const group of this.#groups) this.#tell(`+ ${group}\n`);
    return promise;
  }

  #tell(line: string): void {
    if (this.#pipe === undefined) return;
    if (writeTo(this.#libc, this.#pipe, line)) return;
    // It was killed, or there is no shell; another one may do it.
    this.#libc.close(this.#pipe);
    this.#pipe = undefined;
    if (this.#groups.size > 0 && !this.#isBeginning) this.#beginOnce();
  }

  /** A shell that dies at once is not started for ever. */
  #beginOnce(): void {
    this.#isBeginning = true;
    void this.#begin();
    this.#isBeginning = false;
  }
}
