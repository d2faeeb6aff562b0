/** Makes programs from the sources beside, each once. */
import { extname, join } from "node:path";
import { benchFile, Scope } from "../scope.ts";

const COMPILERS: Readonly<Record<string, (program: string, source: string) => readonly string[]>> =
  {
    ".c": (program, source) => ["cc", "-O2", "-o", program, source],
    ".go": (program, source) => ["go", "build", "-o", program, source],
  };

const programs = new Map<string, Promise<string>>();
let compilations: Scope | undefined;

/** The program made from a source file, which is named by its path below `bench/`. */
export function compile(path: string): Promise<string> {
  let program = programs.get(path);
  if (program === undefined) programs.set(path, program = make(path));
  return program;
}

async function make(path: string): Promise<string> {
  compilations ??= new Scope();
  const extension = extname(path);
  const program = join(compilations.directory, path.replaceAll(/[/.]/g, "_"));
  const [compiler, ...args] = COMPILERS[extension]!(program, benchFile(path));
  const cache = compilations.newDirectory("cache");
  // Go keeps what it has compiled below HOME, if nobody tells it otherwise.
  await compilations.run(compiler!, args, { env: { GOCACHE: cache, GOFLAGS: "-trimpath" } });
  return program;
}
