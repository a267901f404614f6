// Creates the services' users, each with its own database only, or gives them their passwords. For `mongosh --nodb`.
const fs = require("fs");
const read = (name) => fs.readFileSync(`/run/secrets/mongodb/${name}`, "utf8").trim();
const password = encodeURIComponent(read("password"));
const admin = new Mongo(`mongodb://souk:${password}@127.0.0.1:27017/?directConnection=true&authSource=admin`).getDB("admin");
for (const line of read("users").split("\n")) {
  const [user, pwd] = line.split(" ");
  const roles = [{ role: "readWrite", db: `souk_${user}` }];
  if (admin.getUser(user)) {
    admin.updateUser(user, { pwd, roles });
  } else {
    admin.createUser({ user, pwd, roles });
  }
}
