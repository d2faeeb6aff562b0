/** The version of package.json, which is its only place; the bundler puts the value in. */
import manifest from "../../package.json" with { type: "json" };

export const PROGRAM_VERSION: string = manifest.version;
