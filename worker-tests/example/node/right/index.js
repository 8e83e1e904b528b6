const left = require("left");
module.exports = (text) => left(text) + ">";
