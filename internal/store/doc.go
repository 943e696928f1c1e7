// Package store is the seam to the one durable thing of the control plane: an
// ordered map of keys to small values with revisions, guarded batches, a watch
// and leases.
//
// Implementations: mem (tests, simulation), sqlite (the default). Every one of
// them passes the suite in storetest. Programs hardly ever use a Store
// directly: they read and write through a view, which decodes each value once
// and makes a client see its own writes.
//
// # Rules
//
//   - Every commit that writes something gets the next revision; revisions of
//     one store only grow, also over restarts.
//   - A commit is durable before it returns and before any reader sees it. A
//     commit that returns an error other than a conflict or an invalid batch has
//     an unknown outcome only when its context ended; else nothing was written.
//   - Values handed in or out are shared, not copied: nobody changes the bytes.
package store
