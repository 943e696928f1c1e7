// Package sts is the operations of AWS's Security Token Service: who am I, and
// sessions of roles.
package sts
