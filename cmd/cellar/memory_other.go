//go:build !linux

package main

// machineMemory is how much memory the machine has, in bytes; 0 if that is not known.
func machineMemory() int64 { return 0 }
