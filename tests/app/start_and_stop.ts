/** A program that starts a whole afcgi, answers a request, stops, and does not call `exit`. */
import { withGateway } from "../support/gateway.ts";

const application = () => new Response("answered");

await withGateway({ application, admin: true }, async (gateway) => {
  const response = await gateway.send("/");
  console.log(response.body.toString());
});
