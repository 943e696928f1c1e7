package sim

import "time"

// processor shares an environment's vCPUs among the calls in it: each gets the
// same part, and none more than one core, since a call is one thread.
type processor struct {
	share float64 // vCPUs
	slow  float64 // how many times as long everything takes; 1: as it should
	jobs  []job   // heap, the next to finish first
	done  float64 // nanoseconds of CPU that a job which was there all along has had
	at    time.Duration
	used  float64       // vCPU nanoseconds since the last sample
	next  time.Duration // of the pending event; 0: none
}

// job is a call that needs CPU until done is finish.
type job struct {
	finish float64
	wait   time.Duration // afterwards
	begun  time.Duration
	call   int32
}

// advance lets time pass.
func (p *processor) advance(now time.Duration) {
	if n := float64(len(p.jobs)); n > 0 {
		passed := float64(now - p.at)
		p.done += passed * p.rate()
		p.used += passed * min(n, p.share)
	}
	p.at = now
}

// rate is how much CPU each job gets per time.
func (p *processor) rate() float64 {
	return min(1, p.share/float64(len(p.jobs))) / p.slow
}

// due is when the first job is finished, if nothing changes.
func (p *processor) due() time.Duration {
	return p.at + time.Duration(max(0, p.jobs[0].finish-p.done)/p.rate()) + 1
}

func (p *processor) add(j job, cpu time.Duration) {
	j.finish = p.done + float64(cpu)
	i := len(p.jobs)
	p.jobs = append(p.jobs, j)
	for i > 0 && j.finish < p.jobs[(i-1)/2].finish {
		p.jobs[i] = p.jobs[(i-1)/2]
		i = (i - 1) / 2
	}
	p.jobs[i] = j
}

// finished takes out a job that has had its CPU.
func (p *processor) finished() (job, bool) {
	if len(p.jobs) == 0 || p.jobs[0].finish > p.done {
		return job{}, false
	}
	first, last := p.jobs[0], p.jobs[len(p.jobs)-1]
	p.jobs = p.jobs[:len(p.jobs)-1]
	if n := len(p.jobs); n > 0 {
		i := 0
		for {
			child := 2*i + 1
			if child >= n {
				break
			}
			if child+1 < n && p.jobs[child+1].finish < p.jobs[child].finish {
				child++
			}
			if last.finish <= p.jobs[child].finish {
				break
			}
			p.jobs[i] = p.jobs[child]
			i = child
		}
		p.jobs[i] = last
	} else {
		p.done = 0 // keeps the numbers small, so that none is lost to rounding
	}
	return first, true
}
