/**
 * Dates of HTTP fields (RFC 9110 section 5.6.7): one form is written, three are read. `Date.parse`
 * would not do: it takes more than these, and it reads the asctime form in local time.
 */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `Sun, 06 Nov 1994 08:49:37 GMT` */
const IMF_FIXDATE = /^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/;
/** `Sunday, 06-Nov-94 08:49:37 GMT` */
const RFC850 = /^[A-Z][a-z]{5,8}, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/;
/** `Sun Nov  6 08:49:37 1994` */
const ASCTIME = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/;

/** Two-digit years below it are of this century; the form is from before 1995. */
const CENTURY_PIVOT = 70;

/** A time in milliseconds since 1970 as HTTP writes it, in whole seconds. */
export function formatHttpDate(timeMs: number): string {
  return new Date(timeMs).toUTCString();
}

/** Milliseconds since 1970; undefined when the text is not a date of HTTP. */
export function parseHttpDate(text: string): number | undefined {
  const fixed = IMF_FIXDATE.exec(text);
  if (fixed !== null) {
    const [, day, month, year, hour, minute, second] = fixed;
    return utcMs(Number(year), month, day, hour, minute, second);
  }
  const old = RFC850.exec(text);
  if (old !== null) {
    const [, day, month, shortYear, hour, minute, second] = old;
    const century = Number(shortYear) < CENTURY_PIVOT ? 2000 : 1900;
    return utcMs(century + Number(shortYear), month, day, hour, minute, second);
  }
  const asctime = ASCTIME.exec(text);
  if (asctime === null) return undefined;
  const [, month, day, hour, minute, second, year] = asctime;
  return utcMs(Number(year), month, day, hour, minute, second);
}

function utcMs(
  year: number,
  monthName: string | undefined,
  ...parts: (string | undefined)[]
): number | undefined {
  const month = MONTHS.indexOf(monthName ?? "");
  const [day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number);
  if (month < 0 || hour > 23 || minute > 59 || second > 60) return undefined;
  const time = Date.UTC(year, month, day, hour, minute, second);
  return new Date(Date.UTC(year, month, day)).getUTCDate() === day ? time : undefined;
}
