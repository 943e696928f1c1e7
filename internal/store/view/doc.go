// Package view is the typed copy of the store that a process reads from.
//
// A View follows its store commit by commit. Tables hold the decoded values of
// the keys under one prefix. Reads are lock-free and see whole commits only: a
// Snapshot that has commit N in one table has it in all. Commit returns after
// this view has applied that revision, so that a client reads its own writes.
//
// Typical use:
//
//	v := view.New()
//	functions := view.NewTable[Function](v, "lambda/function/")
//	err := v.Open(ctx, st)      // loads everything
//	go v.Run(ctx)               // follows commits of others; owned by the caller
//
//	_, err = v.Update(ctx, func(tx *view.Tx) error {
//		row, ok := functions.At(tx).Get(key)
//		if !ok { return errNotFound }
//		f := row.Value          // a copy; clone what it points to before changing
//		f.Timeout = 3
//		tx.Guard(functions.AtRevision(row))
//		return tx.Do(functions.Put(row.Key, f))
//	})
package view
