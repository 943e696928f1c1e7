// Package sqlite is the durable store of a single server: one SQLite file in the
// data folder, written by one process.
package sqlite
