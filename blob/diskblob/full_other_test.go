//go:build !linux

package diskblob_test

import "syscall"

// fullError is what the file system says when it is full.
var fullError error = syscall.ENOSPC
