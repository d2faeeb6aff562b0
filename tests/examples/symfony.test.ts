/** `examples/symfony`: Symfony as Debian packages it, in a php-fpm that afcgi starts. */
import { exampleTests } from "./common.ts";

exampleTests({
  name: "symfony",
  peer: "symfony",
  writable: ["public/pictures", "var"],
  form: "/hello",
  upload: "/upload",
  uploads: "/pictures",
  title: "Symfony",
  env: { APP_SECRET: "of the test" },
});
