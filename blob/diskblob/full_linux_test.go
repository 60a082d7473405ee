package diskblob_test

import "golang.org/x/sys/unix"

// fullError is what the file system says when it is full.
var fullError error = unix.ENOSPC
