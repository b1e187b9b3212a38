/* A race partner, no part of the library: one fused step of ten Tusscher-Panfilov 2006 on a
 * sheet in 32 bits, written by hand in C for vector instructions and two loops of OpenMP.
 * benchmarks/tissue_speed.py compiles it (gcc -O3 -march=native -ffast-math -fopenmp
 * -mprefer-vector-width=512 -fsingle-precision-constant -shared -fPIC, -lm -lmvec) and
 * benchmarks/tissue_peers.py makes its numba kernel from the same lines.
 * step(y, V new, V, ny, nx, D dt / dx^2, dt, 0): y is (19, ny * nx) in the order read below.
 */
#include <math.h>
#include <omp.h>
typedef float R;
#define exp(x) expf(x)
#define log(x) logf(x)
#define sqrt(x) sqrtf(x)
#define where(c,a,b) ((R)(c)*(a)+((R)1-(R)(c))*(b))
#define abs_(x) fabsf(x)
#define FRT ((R)(96485.3415/(8314.472*310.0)))
#define RTF ((R)(1.0/FRT))
#define F2RT ((R)(96485.3415*FRT))
#define CAP ((R)(0.185))
#define VC ((R)(0.016404))
#define VSR ((R)(0.001094))
#define VSS ((R)(0.00005468))
#define IVCF2 ((R)(CAP/(2*VC*96485.3415)))
#define IVCF ((R)(CAP/(VC*96485.3415)))
#define IVSSF2 ((R)(CAP/(2*VSS*96485.3415)))
#define KO ((R)(5.4))
#define CAO ((R)(2.0))
#define NAO ((R)(140.0))
void step(R*__restrict y,R*__restrict Vn_,const R* __restrict V_,long ny,long nx,R cdt,R dt,long nt){ long N=nx*ny; const R GTO=0.294,GKR=0.153,GKS=0.392,stim=0;
#pragma omp parallel for schedule(static)
for(long jy=0;jy<ny;jy++){ long ju=jy<ny-1?jy+1:jy, jd=jy>0?jy-1:jy; const R*__restrict Vc=V_+jy*nx; const R*__restrict Vu=V_+ju*nx; const R*__restrict Vd=V_+jd*nx;
#pragma omp simd
for(long ix=0;ix<nx;ix++){ long k=jy*nx+ix; long il=ix>0?ix-1:0, ir=ix<nx-1?ix+1:ix;
R V=Vc[ix]; R dv=cdt*(Vu[ix]+Vd[ix]+Vc[ix-(ix>0)]+Vc[ix+(ix<nx-1)]-4*V);
R xr1=y[1*N+k];
R xr2=y[2*N+k];
R xs=y[3*N+k];
R m=y[4*N+k];
R h=y[5*N+k];
R j=y[6*N+k];
R d=y[7*N+k];
R f=y[8*N+k];
R f2=y[9*N+k];
R fc=y[10*N+k];
R s=y[11*N+k];
R r=y[12*N+k];
R cai=y[13*N+k];
R casr=y[14*N+k];
R cass=y[15*N+k];
R rr=y[16*N+k];
R nai=y[17*N+k];
R ki=y[18*N+k];
R mi=1.0/(1.0+exp((-56.86-V)/9.03));
R m_i=mi*mi;
R m_t=(1.0/(1.0+exp((-60.0-V)/5.0)))*(0.1/(1.0+exp((V+35.0)/5.0))+0.10/(1.0+exp((V-50.0)/200.0)));
R hi=1.0/(1.0+exp((V+71.55)/7.43));
R h_i=hi*hi;
R hot=V>=-40.0;
R h_t=1.0/where(hot,0.77/(0.13*(1.0+exp(-(V+10.66)/11.1))),0.057*exp(-(V+80.0)/6.8)+2.7*exp(0.079*V)+3.1e5*exp(0.3485*V));
R j_t=1.0/where(hot,0.6*exp(0.057*V)/(1.0+exp(-0.1*(V+32.0))),(-2.5428e4*exp(0.2444*V)-6.948e-6*exp(-0.04391*V))*(V+37.78)/(1.0+exp(0.311*(V+79.23)))+0.02424*exp(-0.01052*V)/(1.0+exp(-0.1378*(V+40.14))));
R j_i=h_i;
R xr1_i=1.0/(1.0+exp((-26.0-V)/7.0));
R xr1_t=450.0/(1.0+exp((-45.0-V)/10.0))*(6.0/(1.0+exp((V+30.0)/11.5)));
R xr2_i=1.0/(1.0+exp((V+88.0)/24.0));
R xr2_t=3.0/(1.0+exp((-60.0-V)/20.0))*(1.12/(1.0+exp((V-60.0)/20.0)));
R xs_i=1.0/(1.0+exp((-5.0-V)/14.0));
R xs_t=1400.0/sqrt(1.0+exp((5.0-V)/6.0))*(1.0/(1.0+exp((V-35.0)/15.0)))+80.0;
R r_i=1.0/(1.0+exp((20.0-V)/6.0));
R r_t=9.5*exp(-(V+40.0)*(V+40.0)/1800.0)+0.8;
R s_i=1.0/(1.0+exp((V+20.0)/5.0));
R s_t=85.0*exp(-(V+45.0)*(V+45.0)/320.0)+5.0/(1.0+exp((V-20.0)/5.0))+3.0;
R d_i=1.0/(1.0+exp((-8.0-V)/7.5));
R d_t=(1.4/(1.0+exp((-35.0-V)/13.0))+0.25)*(1.4/(1.0+exp((V+5.0)/5.0)))+1.0/(1.0+exp((50.0-V)/20.0));
R f_i=1.0/(1.0+exp((V+20.0)/7.0));
R f_t=1102.5*exp(-(V+27.0)*(V+27.0)/225.0)+200.0/(1.0+exp((13.0-V)/10.0))+180.0/(1.0+exp((V+30.0)/10.0))+20.0;
R f2_i=0.67/(1.0+exp((V+35.0)/7.0))+0.33;
R f2_t=562.0*exp(-(V+27.0)*(V+27.0)/240.0)+31.0/(1.0+exp((25.0-V)/10.0))+80.0/(1.0+exp((V+30.0)/10.0));
R m_e=exp(-dt/m_t);
R h_e=exp(-dt/h_t);
R j_e=exp(-dt/j_t);
R xr1_e=exp(-dt/xr1_t);
R xr2_e=exp(-dt/xr2_t);
R xs_e=exp(-dt/xs_t);
R r_e=exp(-dt/r_t);
R s_e=exp(-dt/s_t);
R d_e=exp(-dt/d_t);
R f_e=exp(-dt/f_t);
R f2_e=exp(-dt/f2_t);
R inak_v=1.0/(1.0+0.1245*exp(-0.1*V*FRT)+0.0353*exp(-V*FRT));
R ipk_v=0.0146/(1.0+exp((25.0-V)/5.98));
R e2=exp(2.0*(V-15.0)*FRT);
R vm15=where(abs_(V-15.0)<1e-3,1e-3,V-15.0);
R gv=4.0*vm15*F2RT/(exp(2.0*vm15*FRT)-1.0);
R cal_a=0.0000398*gv*0.25*e2;
R cal_b=0.0000398*gv*CAO;
R en=exp((0.35-1.0)*V*FRT);
R nacaden=1000.0/((87.5*87.5*87.5+NAO*NAO*NAO)*(1.38+CAO)*(1.0+0.1*en));
R naca_a=nacaden*exp(0.35*V*FRT)*CAO;
R naca_b=nacaden*en*NAO*NAO*NAO*2.5;
R EK=RTF*log(KO/ki);
R ENA=RTF*log(NAO/nai);
R EKS=RTF*log((KO+0.03*NAO)/(ki+0.03*nai));
R ECA=0.5*RTF*log(CAO/cai);
R x=V-EK;
R ak1=0.1/(1.0+exp(0.06*(x-200.0)));
R bk1=(3.0*exp(0.0002*(x+100.0))+exp(0.1*(x-10.0)))/(1.0+exp(-0.5*x));
R IK1=5.405*ak1/(ak1+bk1)*x;
R INa=14.838*m*m*m*h*j*(V-ENA);
R ICaL=d*f*f2*fc*(cal_a*cass-cal_b);
R Ito=GTO*r*s*x;
R IKr=GKR*xr1*xr2*x;
R IKs=GKS*xs*xs*(V-EKS);
R INaCa=naca_a*nai*nai*nai-naca_b*cai;
R INaK=2.724*(KO/(KO+1.0))*(nai/(nai+40.0))*inak_v;
R IpCa=0.1238*cai/(0.0005+cai);
R IpK=ipk_v*x;
R IbNa=0.00029*(V-ENA);
R IbCa=0.000592*(V-ECA);
R Iion=IKr+IKs+IK1+Ito+INa+IbNa+ICaL+IbCa+INaK+INaCa+IpCa+IpK;
R q=1.5/casr;
R kc=2.5-1.5/(1.0+q*q);
R k1=0.15/kc;
R k2=0.045*kc;
R k1c=k1*cass*cass;
R O=k1c*rr/(0.060+k1c);
R Irel=0.102*O*(casr-cass);
R Ileak=0.00036*(casr-cai);
R Iup=0.006375*cai*cai/(cai*cai+0.00025*0.00025);
R Ixfer=0.0038*(cass-cai);
R rr_n=rr+dt*(0.005*(1.0-rr)-k2*cass*rr);
R bsr=1.0/(1.0+10.0*0.3/((casr+0.3)*(casr+0.3)));
R bss=1.0/(1.0+0.4*0.00025/((cass+0.00025)*(cass+0.00025)));
R bc=1.0/(1.0+0.2*0.001/((cai+0.001)*(cai+0.001)));
R casr_n=casr+dt*bsr*(Iup-Irel-Ileak);
R cass_n=cass+dt*bss*(-Ixfer*(VC/VSS)+Irel*(VSR/VSS)-ICaL*IVSSF2);
R cai_n=cai+dt*bc*(Ixfer-(IbCa+IpCa-2.0*INaCa)*IVCF2-(Iup-Ileak)*(VSR/VC));
R nai_n=nai-dt*(INa+IbNa+3.0*INaK+3.0*INaCa)*IVCF;
R ki_n=ki-dt*(stim+IK1+Ito+IKr+IKs-2.0*INaK+IpK)*IVCF;
R cq=cass*20.0;
cq=1.0/(1.0+cq*cq);
R fc_i=0.6*cq+0.4;
R fc_t=80.0*cq+2.0;
R fc_n=fc_i-(fc_i-fc)*exp(-dt/fc_t);
R m_n=m_i-(m_i-m)*m_e;
R h_n=h_i-(h_i-h)*h_e;
R j_n=j_i-(j_i-j)*j_e;
R xr1_n=xr1_i-(xr1_i-xr1)*xr1_e;
R xr2_n=xr2_i-(xr2_i-xr2)*xr2_e;
R xs_n=xs_i-(xs_i-xs)*xs_e;
R r_n=r_i-(r_i-r)*r_e;
R s_n=s_i-(s_i-s)*s_e;
R d_n=d_i-(d_i-d)*d_e;
R f_n=f_i-(f_i-f)*f_e;
R f2_n=f2_i-(f2_i-f2)*f2_e;
R V_n=V-dt*(Iion+stim)+dv;
y[1*N+k]=xr1_n;
y[2*N+k]=xr2_n;
y[3*N+k]=xs_n;
y[4*N+k]=m_n;
y[5*N+k]=h_n;
y[6*N+k]=j_n;
y[7*N+k]=d_n;
y[8*N+k]=f_n;
y[9*N+k]=f2_n;
y[10*N+k]=fc_n;
y[11*N+k]=s_n;
y[12*N+k]=r_n;
y[13*N+k]=cai_n;
y[14*N+k]=casr_n;
y[15*N+k]=cass_n;
y[16*N+k]=rr_n;
y[17*N+k]=nai_n;
y[18*N+k]=ki_n;
Vn_[k]=V_n; }}}
