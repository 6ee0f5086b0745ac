
/*
 * Facts about languages and countries, made by auto/languages from CLDR
 * 48 (cldr-core 48.2.0: aliases, likelySubtags, parentLocales,
 * languageMatching, codeMappings).  Records of a fixed width, sorted; what is
 * shorter is filled up with spaces.
 */


#ifndef _REFERRAL_LANG_TABLE_H_INCLUDED_
#define _REFERRAL_LANG_TABLE_H_INCLUDED_


/* a language's other name; language, script, region */

static const char  referral_lang_aliases[] =
    "aar aa          abk ab          adp dz          afr af          "
    "aka ak          alb sq          als sq          amh am          "
    "ara ar          arb ar          arg an          arm hy          "
    "asm as          ava av          ave ae          aym ay          "
    "ayr ay          aze az          azj az          bak ba          "
    "bam bm          baq eu          bel be          ben bn          "
    "bh  bho         bis bi          bod bo          bos bs          "
    "bre br          bul bg          bur my          cat ca          "
    "ces cs          cha ch          che ce          chi zh          "
    "chu cu          chv cv          cls sa          cmn zh          "
    "cnr sr      me  cor kw          cos co          cre cr          "
    "cwd cr          cym cy          cze cs          dan da          "
    "deu de          div dv          drh mn          drw fa      af  "
    "dut nl          dzo dz          ekk et          ell el          "
    "eng en          epo eo          esk ik          est et          "
    "eus eu          ewe ee          fao fo          fas fa          "
    "fat ak          fij fj          fin fi          fra fr          "
    "fre fr          fry fy          fuc ff          ful ff          "
    "gaz om          geo ka          ger de          gla gd          "
    "gle ga          glg gl          glv gv          gre el          "
    "grn gn          gug gn          guj gu          hat ht          "
    "hau ha          hbs sr  latn    heb he          her hz          "
    "hin hi          hmo ho          hrv hr          hun hu          "
    "hye hy          ibo ig          ice is          ido io          "
    "iii ii          ike iu          iku iu          ile ie          "
    "in  id          ina ia          ind id          ipk ik          "
    "isl is          ita it          iw  he          jav jv          "
    "ji  yi          jpn ja          jw  jv          kal kl          "
    "kan kn          kas ks          kat ka          kau kr          "
    "kaz kk          khk mn          khm km          kik ki          "
    "kin rw          kir ky          kmr ku          knc kr          "
    "kng kg          kom kv          kon kg          kor ko          "
    "kpv kv          kua kj          kur ku          lao lo          "
    "lat la          lav lv          lim li          lin ln          "
    "lit lt          ltz lb          lub lu          lug lg          "
    "lvs lv          mac mk          mah mh          mal ml          "
    "mao mi          mar mr          may ms          mkd mk          "
    "mlg mg          mlt mt          mo  ro          mol ro          "
    "mon mn          mri mi          msa ms          mya my          "
    "nau na          nav nv          nbl nr          nde nd          "
    "ndo ng          nep ne          nld nl          nno nn          "
    "nob nb          nor no          npi ne          nya ny          "
    "oci oc          ojg oj          oji oj          ori or          "
    "orm om          ory or          oss os          pan pa          "
    "pbu ps          per fa          pes fa          pli pi          "
    "plt mg          pol pl          por pt          prp gu          "
    "prs fa      af  pus ps          que qu          quz qu          "
    "roh rm          ron ro          rum ro          run rn          "
    "rus ru          sag sg          san sa          scc sr          "
    "scr hr          sh  sr  latn    sin si          slk sk          "
    "slo sk          slv sl          sme se          smo sm          "
    "sna sn          snd sd          som so          sot st          "
    "spa es          sqi sq          src sc          srd sc          "
    "srp sr          ssw ss          sun su          swa sw          "
    "swc sw      cd  swe sv          swh sw          tah ty          "
    "tam ta          tat tt          tel te          tgk tg          "
    "tha th          tib bo          tir ti          tl  fil         "
    "tnf fa      af  ton to          tsn tn          tso ts          "
    "tuk tk          tur tr          tw  ak          twi ak          "
    "uig ug          ukr uk          urd ur          uzb uz          "
    "uzn uz          ven ve          vie vi          vol vo          "
    "wel cy          wln wa          wol wo          xho xh          "
    "ydd yi          yid yi          yor yo          zha za          "
    "zho zh          zsm ms          zul zu          zyb za          "
    ;


/* the same of several subtags (12); language, script, region */

static const char  referral_lang_phrases[] =
    "aa-saaho    ssy         art-lojban  jbo         "
    "cel-gaulish xtg         hy-arevmda  hyw         "
    "i-ami       ami         i-bnn       bnn         "
    "i-hak       hak         i-klingon   tlh         "
    "i-lux       lb          i-navajo    nv          "
    "i-pwn       pwn         i-tao       tao         "
    "i-tay       tay         i-tsu       tsu         "
    "no-bok      nb          no-bokmal   nb          "
    "no-nyn      nn          no-nynorsk  nn          "
    "zh-cmn      zh          zh-cmn-hans zh  hans    "
    "zh-cmn-hant zh  hant    zh-gan      gan         "
    "zh-guoyu    zh          zh-hakka    hak         "
    "zh-min-nan  nan         zh-wuu      wuu         "
    "zh-xiang    hsn         zh-yue      yue         "
    ;


/* language, region or none; script */

static const char  referral_lang_scripts[] =
    "aa      latnab      cyrlabq     cyrlabq tr  latnae      avst"
    "af      latnak      latnam      ethian      latnar      arab"
    "arc     armias      bengav      cyrlay      latnaz      latn"
    "az  iq  arabaz  ir  arabaz  ru  cyrlba      cyrlbap     deva"
    "be      cyrlbg      cyrlbi      latnbm      latnbn      beng"
    "bo      tibtbr      latnbs      latnca      latnce      cyrl"
    "ch      latnco      latncr      canscs      latncu      cyrl"
    "cv      cyrlcy      latnda      latnde      latndv      thaa"
    "dz      tibtee      latnel      greken      latneo      latn"
    "es      latnet      latneu      latnfa      arabff      latn"
    "fi      latnfj      latnfo      latnfr      latnfy      latn"
    "ga      latngd      latngl      latngn      latngu      gujr"
    "gv      latnha      latnha  cm  arabha  sd  arabhak     hans"
    "hak tw  hanthe      hebrhi      devahnj     hmnpho      latn"
    "hr      latnht      latnhu      latnhy      armnhz      latn"
    "ia      latnid      latnie      latnig      latnii      yiii"
    "ik      latnin      latnio      latnis      latnit      latn"
    "iu      cansiw      hebrja      jpanji      hebrjv      latn"
    "jw      latnka      georkg      latnki      latnkj      latn"
    "kk      cyrlkk  af  arabkk  cn  arabkk  ir  arabkk  mn  arab"
    "kl      latnkm      khmrkn      kndako      korekr      latn"
    "ks      arabku      latnku  am  cyrlku  az  cyrlku  ge  cyrl"
    "ku  iq  arabku  ir  arabku  lb  arabku  tm  cyrlkv      cyrl"
    "kw      latnky      cyrlky  cn  arabky  tr  latnla      latn"
    "lb      latnlg      latnli      latnlif     devaln      latn"
    "lo      laoolt      latnlu      latnlv      latnlzz     latn"
    "lzz ge  georman     latnmey     arabmey sn  latnmg      latn"
    "mh      latnmi      latnmk      cyrlml      mlymmn      cyrl"
    "mn  cn  mongmo      latnmr      devams      latnms  cc  arab"
    "mt      latnmy      mymrna      latnnan     hansnan mo  hant"
    "nan tw  hantnb      latnnd      latnne      devang      latn"
    "nl      latnnn      latnno      latnnr      latnnv      latn"
    "ny      latnoc      latnoj      cansom      latnor      orya"
    "os      cyrlpa      gurupa  pk  arabpal     phlipi      latn"
    "pi  in  devapi  lk  sinhpi  mm  mymrpi  th  thaipl      latn"
    "pnt     grekpnt ru  cyrlpnt tr  latnps      arabpt      latn"
    "qu      latnrm      latnrn      latnro      latnru      cyrl"
    "rw      latnsa      devasc      latnsd      arabsd  in  deva"
    "se      latnsg      latnsi      sinhsk      latnsl      latn"
    "sm      latnsn      latnso      latnsq      latnsr      cyrl"
    "sr  me  latnsr  ro  latnsr  tr  latnss      latnst      latn"
    "stu     lanastu cn  talesu      latnsv      latnsw      latn"
    "ta      tamlte      telutg      cyrltg  pk  arabth      thai"
    "ti      ethitk      latntl      latntn      latnto      latn"
    "tr      latnts      latntt      cyrlty      latnug      arab"
    "ug  kz  cyrlug  mn  cyrluk      cyrlunr     bengunr np  deva"
    "ur      arabuz      latnuz  af  arabuz  cn  cyrlve      latn"
    "vi      latnvo      latnwa      latnwo      latnxh      latn"
    "yi      hebryo      latnyue     hantyue cn  hansza      latn"
    "zh      hanszh  au  hantzh  bn  hantzh  gb  hantzh  gf  hant"
    "zh  hk  hantzh  id  hantzh  mo  hantzh  pa  hantzh  pf  hant"
    "zh  ph  hantzh  sr  hantzh  th  hantzh  tw  hantzh  us  hant"
    "zh  vn  hantzu      latn"
    ;


/* language, script; region */

static const char  referral_lang_regions[] =
    "aa  latnet  ab  cyrlge  abq cyrlru  abq latntr  ae  avstir  "
    "af  latnza  ak  latngh  am  ethiet  an  latnes  ar  arabeg  "
    "arc armiir  arc hatriq  arc nbatjo  arc palmsy  as  bengin  "
    "av  cyrlru  ay  latnbo  az  arabir  az  latnaz  ba  cyrlru  "
    "bap devanp  bap kraiin  be  cyrlby  bg  cyrlbg  bi  latnvu  "
    "bm  latnml  bn  bengbd  bo  tibtcn  br  latnfr  bs  latnba  "
    "ca  latnes  ce  cyrlru  ch  latngu  co  latnfr  cr  cansca  "
    "cs  latncz  cu  cyrlru  cu  glagbg  cv  cyrlru  cy  latngb  "
    "da  latndk  de  latnde  dv  thaamv  dz  tibtbt  ee  latngh  "
    "el  grekgr  en  latnus  en  shawgb  eo  latn001 es  latnes  "
    "et  latnee  eu  latnes  fa  arabir  ff  adlmgn  ff  latnsn  "
    "fi  latnfi  fj  latnfj  fo  latnfo  fr  latnfr  fy  latnnl  "
    "ga  latnie  gd  latngb  gl  latnes  gn  latnpy  gu  gujrin  "
    "gv  latnim  ha  latnng  hak hanscn  hak hanttw  he  hebril  "
    "hi  devain  hnj hmngla  hnj hmnpus  ho  latnpg  hr  latnhr  "
    "ht  latnht  hu  latnhu  hy  armnam  hz  latnna  ia  latn001 "
    "id  latnid  ie  latnee  ig  latnng  ii  yiiicn  ik  latnus  "
    "in  latnid  io  latn001 is  latnis  it  latnit  iu  cansca  "
    "iw  hebril  ja  jpanjp  ji  hebrua  jv  latnid  jw  latnid  "
    "ka  george  kg  latncd  ki  latnke  kj  latnna  kk  arabcn  "
    "kk  cyrlkz  kl  latngl  km  khmrkh  kn  kndain  ko  korekr  "
    "kr  latnng  ks  arabin  ku  arabiq  ku  cyrlam  ku  latntr  "
    "ku  yezige  kv  cyrlru  kw  latngb  ky  arabcn  ky  cyrlkg  "
    "ky  latntr  la  latnva  lb  latnlu  lg  latnug  li  latnnl  "
    "lif devanp  lif limbin  ln  latncd  lo  laoola  lt  latnlt  "
    "lu  latncd  lv  latnlv  lzz george  lzz latntr  man latngm  "
    "man nkoogn  mey arabdz  mey latnsn  mg  latnmg  mh  latnmh  "
    "mi  latnnz  mk  cyrlmk  ml  mlymin  mn  cyrlmn  mn  mongcn  "
    "mo  latnro  mr  devain  ms  latnmy  mt  latnmt  my  mymrmm  "
    "na  latnnr  nan hanscn  nan hanttw  nb  latnno  nd  latnzw  "
    "ne  devanp  ng  latnna  nl  latnnl  nn  latnno  no  latnno  "
    "nr  latnza  nv  latnus  ny  latnmw  oc  latnfr  oj  cansca  "
    "om  latnet  or  oryain  os  cyrlge  pa  arabpk  pa  guruin  "
    "pal phliir  pal phlpcn  pi  devain  pi  latngb  pi  mymrmm  "
    "pi  sinhlk  pi  thaith  pl  latnpl  pnt cyrlru  pnt grekgr  "
    "pnt latntr  ps  arabaf  pt  latnbr  qu  latnpe  rm  latnch  "
    "rn  latnbi  ro  latnro  ru  cyrlru  rw  latnrw  sa  devain  "
    "sc  latnit  sd  arabpk  sd  devain  sd  khojin  sd  sindin  "
    "se  latnno  sg  latncf  si  sinhlk  sk  latnsk  sl  latnsi  "
    "sm  latnws  sn  latnzw  so  latnso  sq  latnal  sr  cyrlrs  "
    "ss  latnza  st  latnza  stu lanamm  stu talecn  su  latnid  "
    "sv  latnse  sw  latntz  ta  tamlin  te  teluin  tg  arabpk  "
    "tg  cyrltj  th  thaith  ti  ethiet  tk  latntm  tl  latnph  "
    "tn  latnza  to  latnto  tr  latntr  ts  latnza  tt  cyrlru  "
    "ty  latnpf  ug  arabcn  ug  cyrlkz  uk  cyrlua  unr bengin  "
    "unr devanp  ur  arabpk  uz  arabaf  uz  latnuz  ve  latnza  "
    "vi  latnvn  vo  latn001 wa  latnbe  wo  latnsn  xh  latnza  "
    "yi  hebrua  yo  latnng  yue hanscn  yue hanthk  za  latncn  "
    "zh  bopotw  zh  hanbtw  zh  hanscn  zh  hanttw  zu  latnza  "
    ;


/* language, region; the region above */

static const char  referral_lang_parents[] =
    "en  150 001 en  ag  001 en  ai  001 en  at  150 en  au  001 "
    "en  bb  001 en  be  150 en  bm  001 en  bs  001 en  bw  001 "
    "en  bz  001 en  cc  001 en  ch  150 en  ck  001 en  cm  001 "
    "en  cx  001 en  cy  001 en  cz  150 en  de  150 en  dg  001 "
    "en  dk  150 en  dm  001 en  ee  150 en  er  001 en  es  150 "
    "en  fi  150 en  fj  001 en  fk  001 en  fm  001 en  fr  150 "
    "en  gb  001 en  gd  001 en  ge  150 en  gg  001 en  gh  001 "
    "en  gi  001 en  gm  001 en  gs  001 en  gy  001 en  hk  001 "
    "en  hu  150 en  id  001 en  ie  001 en  il  001 en  im  001 "
    "en  in  001 en  io  001 en  it  150 en  je  001 en  jm  001 "
    "en  ke  001 en  ki  001 en  kn  001 en  ky  001 en  lc  001 "
    "en  lr  001 en  ls  001 en  lt  150 en  lv  150 en  mg  001 "
    "en  mo  001 en  ms  001 en  mt  001 en  mu  001 en  mv  001 "
    "en  mw  001 en  my  001 en  na  001 en  nf  001 en  ng  001 "
    "en  nl  150 en  no  150 en  nr  001 en  nu  001 en  nz  001 "
    "en  pg  001 en  pk  001 en  pl  150 en  pn  001 en  pt  150 "
    "en  pw  001 en  ro  150 en  rw  001 en  sb  001 en  sc  001 "
    "en  sd  001 en  se  150 en  sg  001 en  sh  001 en  si  150 "
    "en  sk  150 en  sl  001 en  ss  001 en  sx  001 en  sz  001 "
    "en  tc  001 en  tk  001 en  to  001 en  tt  001 en  tv  001 "
    "en  tz  001 en  ua  150 en  ug  001 en  vc  001 en  vg  001 "
    "en  vu  001 en  ws  001 en  za  001 en  zm  001 en  zw  001 "
    "es  ar  419 es  bo  419 es  br  419 es  bz  419 es  cl  419 "
    "es  co  419 es  cr  419 es  cu  419 es  do  419 es  ec  419 "
    "es  gt  419 es  hn  419 es  jp  419 es  mx  419 es  ni  419 "
    "es  pa  419 es  pe  419 es  pr  419 es  py  419 es  sv  419 "
    "es  us  419 es  uy  419 es  ve  419 pt  ao  pt  pt  ch  pt  "
    "pt  cv  pt  pt  fr  pt  pt  gq  pt  pt  gw  pt  pt  lu  pt  "
    "pt  mo  pt  pt  mz  pt  pt  st  pt  pt  tl  pt  zh  mo  hk  "
    ;


/* asked for, offered; how far */

static const char  referral_lang_kin[] =
    "aae sq  1aao ar  1aat sq  1abh ar  1abv ar  1acm ar  1acq ar  1"
    "acw ar  1acx ar  1acy ar  1adf ar  1aeb ar  1aec ar  1afb ar  1"
    "aii syr 1aln sq  1apc ar  1apd ar  1arq ar  1ars ar  1ary ar  1"
    "arz ar  1auz ar  1avl ar  1ayh ar  1ayl ar  1ayn ar  1ayp ar  1"
    "azb az  1bbz ar  1bhr mg  1bjn ms  1bjq mg  1bmm mg  1btj ms  1"
    "bve ms  1bvu ms  1bzc mg  1cdo zh  1cjy zh  1cnp zh  1coa ms  1"
    "cpx zh  1csp zh  1czh zh  1czo zh  1dty ne  1dup ms  1enb kln 1"
    "eyo kln 1ffm ff  1fub ff  1fue ff  1fuf ff  1fuh ff  1fui ff  1"
    "fuq ff  1fuv ff  1gan zh  1gax om  1gkp kpe 1gnw gn  1gui gn  1"
    "gun gn  1hae om  1hak zh  1hji ms  1hnm zh  1hsn zh  1ida luy 1"
    "ikt iu  1jak ms  1jax ms  1knn kok 1kvb ms  1kvr ms  1kxd ms  1"
    "lce ms  1lcf ms  1liw ms  1lkb luy 1lko luy 1lks luy 1lri luy 1"
    "lrm luy 1lsm luy 1ltg lv  1lto luy 1lts luy 1luh zh  1lwg luy 1"
    "lzh zh  1max ms  1meo ms  1mfa ms  1mfb ms  1min ms  1mnp zh  1"
    "mqg ms  1msh mg  1msi ms  1mui ms  1mvf mn  1nan zh  1nb  nn  2"
    "nb  no  1nhd gn  1niq kln 1nle luy 1nn  nb  2nn  no  1no  nb  1"
    "no  nn  2nyd luy 1oki kln 1orc om  1orn ms  1ors ms  1pbt ps  1"
    "pel ms  1pga ar  1pko kln 1pse ms  1pst ps  1qub qu  1qud qu  1"
    "quf qu  1qug qu  1quh qu  1quk qu  1qul qu  1qup qu  1qur qu  1"
    "qus qu  1quw qu  1qux qu  1quy qu  1qva qu  1qvc qu  1qve qu  1"
    "qvh qu  1qvi qu  1qvj qu  1qvl qu  1qvm qu  1qvn qu  1qvo qu  1"
    "qvp qu  1qvs qu  1qvw qu  1qvz qu  1qwa qu  1qwc qu  1qwh qu  1"
    "qws qu  1qxa qu  1qxc qu  1qxh qu  1qxl qu  1qxn qu  1qxo qu  1"
    "qxp qu  1qxr qu  1qxt qu  1qxu qu  1qxw qu  1rag luy 1sdc sc  1"
    "sdn sc  1sgc kln 1shu ar  1sjc zh  1skg mg  1spv or  1sro sc  1"
    "ssh ar  1tdx mg  1tec kln 1tkg mg  1tmw ms  1tuy kln 1txy mg  1"
    "urk ms  1uzs uz  1vkk ms  1vkt ms  1vro et  1wuu zh  1xmm ms  1"
    "xmv mg  1xmw mg  1yih yi  1yue zh  1zlm ms  1zmi ms  1"
    ;


/* a wrong or former code; the right one, ?? for several */

static const char  referral_country_aliases[] =
    "AN??BUMMCS??CTKIDDDEDYBJELGRFQ??FXFRHVBFJTUMMIUMNHVUNQAQNT??PC??PUUM"
    "PZPARHZWSU??TPTLUKGBVDVNWKUMYDYEYU??ZRCD"
    ;


/* all codes of countries */

static const char  referral_countries[] =
    "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBW"
    "BYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFI"
    "FJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMIN"
    "IOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDME"
    "MFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPF"
    "PGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSV"
    "SXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXK"
    "YEYTZAZMZW"
    ;


#endif /* _REFERRAL_LANG_TABLE_H_INCLUDED_ */
