/**
 * The numbers of FastCGI 1.0, under the names that the specification gives them.
 * Nothing in this directory imports from outside it.
 */

/** The only protocol version there is (section 3.3). */
export const VERSION = 1;

/** Bytes of a record header (section 3.3). */
export const HEADER_LENGTH = 8;

/** Most content bytes that a record header can announce (section 3.3). */
export const CONTENT_LENGTH_MAX = 65_535;

/**
 * Most content bytes that we put into one record: a multiple of 8, so it needs no padding, and
 * php-fpm refuses a record whose content and padding together exceed 65,535 bytes.
 */
export const CONTENT_LENGTH_SAFE = 65_528;

/** Most padding bytes that a record header can announce (section 3.3). */
export const PADDING_LENGTH_MAX = 255;

/** A complete record is never longer than this. */
export const RECORD_LENGTH_MAX = HEADER_LENGTH + CONTENT_LENGTH_MAX + PADDING_LENGTH_MAX;

/** Highest request id; 0 is the id of management records (section 3.3). */
export const REQUEST_ID_MAX = 65_535;

/** The id that marks a record as one of the connection, not of a request (section 3.3). */
export const NULL_REQUEST_ID = 0;

/** Record types (section 8). */
export const RecordType = {
  BEGIN_REQUEST: 1,
  ABORT_REQUEST: 2,
  END_REQUEST: 3,
  PARAMS: 4,
  STDIN: 5,
  STDOUT: 6,
  STDERR: 7,
  DATA: 8,
  GET_VALUES: 9,
  GET_VALUES_RESULT: 10,
  UNKNOWN_TYPE: 11,
} as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

/** Whether a type is one of FastCGI 1.0; what is none may be skipped, not misread. */
export function isKnownType(type: number): boolean {
  return type >= RecordType.BEGIN_REQUEST && type <= RecordType.UNKNOWN_TYPE;
}

/** Roles of an application (section 6). */
export const Role = { RESPONDER: 1, AUTHORIZER: 2, FILTER: 3 } as const;
export type Role = (typeof Role)[keyof typeof Role];

/** Flag of BEGIN_REQUEST: the application leaves the connection open (section 5.1). */
export const KEEP_CONN = 1;

/** How a request ended (section 5.5). */
export const ProtocolStatus = {
  REQUEST_COMPLETE: 0,
  CANT_MPX_CONN: 1,
  OVERLOADED: 2,
  UNKNOWN_ROLE: 3,
} as const;
export type ProtocolStatus = (typeof ProtocolStatus)[keyof typeof ProtocolStatus];

/** Variables that GET_VALUES can ask for (section 4.1). */
export const ManagementValue = {
  MAX_CONNS: "FCGI_MAX_CONNS",
  MAX_REQS: "FCGI_MAX_REQS",
  MPXS_CONNS: "FCGI_MPXS_CONNS",
} as const;

/** A role's name in lower case, as users write it. */
export function roleName(role: Role): string {
  for (const [name, value] of Object.entries(Role)) if (value === role) return name.toLowerCase();
  return `role ${role}`;
}

/** The specification's name of a record type, or its number where it has none. */
export function recordTypeName(type: number): string {
  for (const [name, value] of Object.entries(RecordType)) if (value === type) return name;
  return `type ${type}`;
}
