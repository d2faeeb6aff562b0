/** Who may connect to a unix socket that afcgi listens on: the file's mode and group. */
import * as v from "valibot";
import { formatAddress, type ServeAddress, type UnixAddress } from "../runtime/address.ts";
import { optional, refuse, textLike } from "./schema_parts.ts";

const MODE_REMEDY = 'use octal digits in quotes, such as "0660"';

/** With a group and no mode: what the group is named for. */
const GROUP_MODE = 0o660;
const OWNER_MODE = 0o600;

export const socketFileEntries = {
  mode: optional(
    v.pipe(textLike(/^0?[0-7]{3}$/, MODE_REMEDY), v.transform((text) => parseInt(text, 8))),
    'Permissions of a unix socket\'s file, such as "0660"; default: "0600", with a group "0660"',
  ),
  group: optional(
    textLike(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, "use a group's name or number"),
    "Group of a unix socket's file; default: the group of afcgi's user",
  ),
};

interface SocketFileInput {
  readonly address: ServeAddress;
  readonly mode?: number | undefined;
  readonly group?: string | undefined;
}

/** Where there is no file nothing can be said of it. */
export function socketFileCheck<Input extends SocketFileInput>() {
  return refuse<Input>(({ address, mode, group }) => {
    if (address.transport === "unix" && !address.path.startsWith("\0")) return undefined;
    const key = mode !== undefined ? "mode" : group !== undefined ? "group" : undefined;
    if (key === undefined) return undefined;
    const where = formatAddress(address);
    return address.transport !== "unix"
      ? `${where} has no ${key} (take it out: only a unix socket has one)`
      : `${where} has no ${key}, and everybody on the machine may connect (use a path instead)`;
  });
}

export function withSocketFile<Where extends ServeAddress>(
  { address, mode, group }: SocketFileInput & { readonly address: Where },
): Where | UnixAddress {
  if (address.transport !== "unix" || (mode === undefined && group === undefined)) return address;
  const file = { mode: mode ?? (group === undefined ? OWNER_MODE : GROUP_MODE), group };
  return { ...address, file };
}
