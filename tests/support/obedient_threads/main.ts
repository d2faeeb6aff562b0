/** The executable's entry, for the one whose threads do what a test tells them. */
await import("../../../src/main.ts");
export {};
