// Creates the users, or gives them their passwords: a service has its own database only, and `backup` reads all. For `mongosh --nodb`.
const fs = require("fs");
const read = (name) => fs.readFileSync(`/run/secrets/mongodb/${name}`, "utf8").trim();
const password = encodeURIComponent(read("password"));
const admin = new Mongo(`mongodb://souk:${password}@127.0.0.1:27017/?directConnection=true&authSource=admin`).getDB("admin");
const users = read("users").split("\n").map((line) => line.split(" "));
// `souk credentials` gives a service a second user, such as customer.2.
const owner = (user) => user.replace(/\.2$/, "");
const services = users.map(([user]) => owner(user)).filter((service) => service !== "backup");
for (const [user, pwd] of users) {
  const roles =
    owner(user) === "backup"
      ? services.map((service) => ({ role: "read", db: `souk_${service}` }))
      : [{ role: "readWrite", db: `souk_${owner(user)}` }];
  if (admin.getUser(user)) {
    admin.updateUser(user, { pwd, roles });
  } else {
    admin.createUser({ user, pwd, roles });
  }
}
