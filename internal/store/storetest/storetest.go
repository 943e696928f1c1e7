// Package storetest is the suite that every implementation of store.Store passes.
package storetest
