/**
 * Where lines go: a file, standard output, standard error, or a test's memory. It takes them without
 * making anybody wait.
 */

/** Where text goes; writes are batched by who calls. */
export interface TextSink {
  write(text: string): void;
  /** Resolves when all text is with the operating system, or when nobody takes it. */
  flush(): Promise<void>;
  /** Lines that were lost because nobody took them; left out where none ever is. */
  readonly lostLines?: number;
  /** Set by who wants to know that lines are taken again, and how many were not. */
  onRecovered?: ((lines: number) => void) | undefined;
  /** Opens the file at the same path anew; left out where there is none. */
  reopen?(): void;
  /** Nothing more will be written; left out where nothing is to be closed. */
  close?(): void;
}
