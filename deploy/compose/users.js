// Creates the users, or gives them their passwords: a service has its own database only, and `backup` reads all. For `mongosh --nodb`.
const fs = require("fs");
const read = (name) => fs.readFileSync(`/run/secrets/mongodb/${name}`, "utf8").trim();
const password = encodeURIComponent(read("password"));
const admin = new Mongo(`mongodb://souk:${password}@127.0.0.1:27017/?directConnection=true&authSource=admin`).getDB("admin");
const users = read("users").split("\n").map((line) => line.split(" "));
const services = users.map(([user]) => user).filter((user) => user !== "backup");
for (const [user, pwd] of users) {
  const roles =
    user === "backup"
      ? services.map((service) => ({ role: "read", db: `souk_${service}` }))
      : [{ role: "readWrite", db: `souk_${user}` }];
  if (admin.getUser(user)) {
    admin.updateUser(user, { pwd, roles });
  } else {
    admin.createUser({ user, pwd, roles });
  }
}
