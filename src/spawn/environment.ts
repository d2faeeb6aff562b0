/**
 * The variables that a spawned program gets. Ours hold what is meant for us: passwords that the
 * configuration reads with `${env.…}`, our own settings, a service manager's sockets. php-fpm hides all
 * of that from scripts (`clear_env`), for a `phpinfo()` left lying about shows every variable.
 */

/** What every program may know: where others are, how to write, who it is. */
const KEPT = /^(PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|HOME|USER|LOGNAME|SHELL)$/;

/** What is meant for this very process, also where the rest is passed on. */
const OURS = /^(AFCGI_.*|NOTIFY_SOCKET|WATCHDOG_(PID|USEC)|LISTEN_(PID|FDS|FDNAMES))$/;

export interface EnvironmentSources {
  readonly own: Readonly<Record<string, string>>;
  readonly isCleared: boolean;
  /** Whom it runs as, where that is somebody else than we are. */
  readonly user: { readonly name: string; readonly home: string } | undefined;
  /** What a kind of program wants. */
  readonly ofKind: Readonly<Record<string, string>>;
  /** What the configuration says; it wins. */
  readonly given: Readonly<Record<string, string>>;
}

export function environmentFor(
  { own, isCleared, user, ofKind, given }: EnvironmentSources,
): Readonly<Record<string, string>> {
  const passed = Object.entries(own).filter(([name]) =>
    isCleared ? KEPT.test(name) : !OURS.test(name)
  );
  return {
    ...Object.fromEntries(passed),
    ...(user && { HOME: user.home, USER: user.name, LOGNAME: user.name }),
    ...ofKind,
    ...given,
  };
}
