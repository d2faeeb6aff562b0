/** How little a gateway could cost on this runtime: `floor_server.ts`. */
import { benchFile } from "../scope.ts";
import type { Contender } from "./contender.ts";

export const floor: Contender = {
  name: "floor",
  title: "floor of Bun",
  servesFiles: false,
  command({ application, root, port }) {
    if (application === undefined) throw new Error("The floor serves no files");
    const { place, streams } = application;
    return {
      program: benchFile("../node_modules/.bin/bun"),
      args: [
        benchFile("contenders/floor_server.ts"),
        String(port),
        place.path,
        String(streams),
        root,
      ],
    };
  },
};
