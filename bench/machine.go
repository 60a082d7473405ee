package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine is what a figure depends on besides the software.
type Machine struct {
	CPU        string    `json:"cpu,omitempty"`
	Cores      int       `json:"cores"`
	GOMAXPROCS int       `json:"client_gomaxprocs"`
	MemoryMiB  int64     `json:"memory_mib,omitempty"`
	OS         string    `json:"os"`
	Kernel     string    `json:"kernel,omitempty"`
	Go         string    `json:"go"`
	LoadBefore []float64 `json:"load_before,omitempty"` // 1, 5 and 15 minutes
}

// ThisMachine reads the facts that the system tells; what it doesn't tell is
// left empty.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.MemoryMiB = kilobytesIn(string(b), "MemTotal:") >> 20
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		for _, f := range strings.Fields(string(b))[:3] {
			if v, err := strconv.ParseFloat(f, 64); err == nil {
				m.LoadBefore = append(m.LoadBefore, v)
			}
		}
	}
	return m
}

// machineBusy gives the time that all cores together have spent on anything
// but idling and waiting for disks, or -1 where that isn't known.
func machineBusy() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return -1
	}
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return -1
	}
	var ticks int64
	// user nice system idle iowait irq softirq steal; guests are in user.
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			return -1
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}
