// Creates the replica set of one node, unless it exists. For `mongosh --nodb`.
const fs = require("fs");
const password = fs.readFileSync("/run/secrets/mongodb/password", "utf8").trim();
const admin = new Mongo(`mongodb://souk:${encodeURIComponent(password)}@127.0.0.1:27017/?directConnection=true&authSource=admin`).getDB("admin");
try {
  admin.runCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  admin.runCommand({ replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: "mongodb:27017" }] } });
}
