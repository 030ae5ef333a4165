// Package strict reads TOML into typed values that know their place in the file, and reports everything that is wrong
// with the file at once.
//
// The data path is text → tree (every value with its place) → values, each checked where it is read. What is read is
// the schema: a key that nobody asked for is unknown. The library decodes the file once to hold it against the grammar
// and for keys given twice; its own strict mode is not used, because it takes keys in any mixture of capitals and ends
// at the first value of a wrong type.
package strict
