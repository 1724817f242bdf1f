// Makes the replica set and its users, once; run again it finds them and changes nothing. It talks to mongo-1 as from
// mongo-1 itself: as long as there is no user, MongoDB lets in whoever comes from its own machine, and nobody else.
const fs = require("fs");

const secret = (name) => fs.readFileSync(`/run/secrets/${name}`, "utf8").trim();
const admin = db.getSiblingDB("admin");

function until(what, holds) {
  for (let tries = 0; tries < 120; tries += 1) {
    if (holds()) return;
    sleep(500);
  }
  throw new Error(`a minute has passed, and ${what}`);
}

function signIn() {
  try {
    return admin.auth("admin", secret("mongo_admin_password")).ok === 1;
  } catch (error) {
    // Not made yet. A wrong password ends in the same way: nobody is let in to make a second administrator.
    return false;
  }
}

if (!signIn()) {
  const member = (id) => ({ _id: id, host: `mongo-${id}:27017`, priority: id === 1 ? 2 : 1 });
  try {
    rs.initiate({
      _id: "rs0",
      members: [1, 2, 3].map(member),
      // MongoDB's own 10 s are for networks between continents.
      settings: { electionTimeoutMillis: 2000 },
    });
  } catch (error) {
    if (error.codeName !== "AlreadyInitialized") throw error;
  }
  // Users are made at the primary, and from here only this member can be asked; its priority makes it the primary.
  until("mongo-1 is not the primary", () => db.hello().isWritablePrimary);
  admin.createUser({ user: "admin", pwd: secret("mongo_admin_password"), roles: ["root"] });
  if (!signIn()) throw new Error("the administrator who was just made is not let in");
}

until("mongo-1 is not the primary", () => db.hello().isWritablePrimary);
if (admin.getUser("fournines") === null) {
  // Migrations change validators, which takes dbAdmin besides.
  const roles = ["readWrite", "dbAdmin"].map((role) => ({ role, db: "fournines" }));
  admin.createUser({ user: "fournines", pwd: secret("mongo_password"), roles });
}
print("the replica set and its users are there");
