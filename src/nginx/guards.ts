/** Access control, as keys of a route: `ip_restriction`, `basic_auth`, `forward_auth`. */
export type Guards = Readonly<Record<string, unknown>>;
