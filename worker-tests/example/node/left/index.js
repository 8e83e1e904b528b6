module.exports = (text) => "<" + text;
