//go:build unix

package bench

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the command into a process group of its own, so that an
// interrupt from the terminal reaches this process only.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
