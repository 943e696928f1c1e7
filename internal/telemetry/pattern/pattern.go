// Package pattern parses and matches CloudWatch Logs filter patterns: terms and
// phrases, JSON conditions in braces, space-delimited fields in brackets.
package pattern
